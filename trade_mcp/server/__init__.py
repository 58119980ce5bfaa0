"""The MCP server: what a model may ask of the desk, and how the answers look."""
