"""From raw rows to events: rows judged by the contract, and told apart over all stored days."""
