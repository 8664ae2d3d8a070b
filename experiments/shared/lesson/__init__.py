"""What experiments/lesson.py shows: Python computes it here, page.js only displays it."""
