"""A Dagster platform on which every model that a team runs is a product folder and one lineage graph."""
