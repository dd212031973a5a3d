"""What a plugin may do and use, while it runs: grants, quotas, and how they change. Knows no plugin."""
