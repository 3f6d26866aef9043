"""The quarantine: `actor` keeps and hands back, `book` holds, `report` tells operators."""
