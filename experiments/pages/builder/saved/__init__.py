"""What is kept of a form before there is a sweep: entries and a team's templates."""
