"""What a host keeps of release plans for its services: snapshot, models, views, and what it has seen."""
