"""The room that trades: everything that may send an order goes through its gate."""
