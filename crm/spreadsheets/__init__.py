"""Contacts as spreadsheets: taken in from CSV files of any size, and given out as one."""

from crm.spreadsheets.doors import routes
from crm.spreadsheets.working import running, work

__all__ = ["routes", "running", "work"]
