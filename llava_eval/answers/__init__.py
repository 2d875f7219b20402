"""Raw text to answer: one pure function per named rule, each citing its source."""
