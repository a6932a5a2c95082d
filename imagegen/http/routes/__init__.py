"""What the service answers: one file a resource, each with a `router(studio, settings)`."""
