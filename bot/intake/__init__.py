"""What people ask for: forms, messages, files of applicants and reruns become accepted checks."""
