"""The project's git: which commit a name means, and that commit's files in a folder of their own. Trains and judges nothing."""
