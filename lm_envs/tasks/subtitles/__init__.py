"""Live subtitles: spoken words, how long shown words wait to be read, and the task."""
