"""Networks: encoders, what fuses their levels, and what joins the tasks."""
