"""Where the embedded examples come from: public-domain prose, facts and generated pairs."""
