"""The report: one page, in one file, on what a network sees in photos."""
