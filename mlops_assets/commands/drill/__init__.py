"""`mlops drill`: failures played on a real service, one module per kind."""
