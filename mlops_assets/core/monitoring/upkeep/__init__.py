"""Whether what runs is kept up: the age of model and data, served features, the service's answers."""
