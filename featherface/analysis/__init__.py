"""The study's numbers, counted and measured: no pictures, no web server."""
