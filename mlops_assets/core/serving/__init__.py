"""What a service is made of without HTTP: arms, scoring, the captured record, the snapshot it follows."""
