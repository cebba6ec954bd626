"""What storsim's trust rests on, as rows that anyone can make again: ``python -m tests.trust``."""
