"""The windowed forward: of each map, only the window that a change can reach."""
