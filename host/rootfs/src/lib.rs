//! The restricted directory of a stage, its ledger, unpacking and change sets.
