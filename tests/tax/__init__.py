"""Tests of the law; the modules that are no tests (driver, auditor) serve them."""
