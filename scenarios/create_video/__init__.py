"""Pack: a description becomes a narrated video with slides and subtitles. See README.md beside this file."""
