"""The database: its tables, how it is opened, and every statement that is run on it."""
