"""What every stage needs: calls and their keys, provenance, the ledger of exams, sections."""
