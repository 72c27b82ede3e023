"""The windowed forward pass: of each map, only the window that a change can reach."""
