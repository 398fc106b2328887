"""A still head comes alive: its Gaussians bound to the face's surface, and driven by face units, pose and gaze."""
