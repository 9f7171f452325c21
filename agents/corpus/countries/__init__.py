"""Facts of the CIA World Factbook about countries that `facts` does not have."""
