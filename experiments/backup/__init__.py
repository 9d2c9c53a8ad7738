"""Backups of the database and the data folder, and what is restored from them.

A backup has the database as a SQLite file, also when the site's is PostgreSQL: it needs
no program of any version, it is checked by itself, and either database can restore it.
"""
