"""Any model of LangChain's as ours, and any of ours as LangChain's."""
