//! A place for the simulation's tests: the package is optimised, so that a hundred thousand schedules take seconds.
