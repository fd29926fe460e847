//! Replicas that fall behind.
