"""Risk: what must stand between an opinion and an order. Pure functions over frozen values, exact to the last digit."""
