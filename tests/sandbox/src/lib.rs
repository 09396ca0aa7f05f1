//! A TrafficStars API on loopback.
