"""Operations on batches of waves and features that training adds."""
