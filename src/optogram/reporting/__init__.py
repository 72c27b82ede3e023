"""The report: one HTML file on what a network sees in photos."""
