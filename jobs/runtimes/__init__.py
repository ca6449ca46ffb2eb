"""What starts attempts. Neither Django nor jobs.* is imported below here."""
