"""lusgan's library: stages from exams to report, which know nothing of Prefect."""
