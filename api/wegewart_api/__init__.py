"""The office: takes in what vehicles saw, keeps defects and tickets, and serves people and their systems."""
