"""The four services of the pack. Each module runs alone: `python -m scenarios.create_video.workers.text`."""
