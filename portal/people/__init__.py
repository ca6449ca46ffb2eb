"""People: users, teams, API tokens and the audit trail."""
