"""Sources: where opinions come from that are not this program's own: strategies from a person's file or package."""
