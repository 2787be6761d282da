"""What all plugins declare, kept between commands, so that names are checked without torch."""
