//! Plans a build and executes the plan.
