"""Reports: a span of time on a ledger told to a person, as HTML for a browser and a mail, as text, and as JSON."""
