//! Greenroom, the service: reads arguments and configuration, logs, measures, and starts the cast. It decides nothing.

pub mod advise;
pub mod cli;
pub mod config;
pub mod demo;
pub mod explain;
pub mod handover;
pub mod http;
pub mod manager;
pub mod manual;
pub mod office;
pub mod service;
pub mod signals;
pub mod status;
pub mod telemetry;
