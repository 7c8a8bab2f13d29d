"""Tests for people who write proposers, stores or executors: inherit from them, and give them yours in a fixture."""
