//! Performs what the domain concludes.
