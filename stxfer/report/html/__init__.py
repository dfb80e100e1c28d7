"""The report as one HTML file for reading, filtering and listening, which needs nothing but itself."""
