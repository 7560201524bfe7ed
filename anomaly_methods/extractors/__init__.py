"""From a model and images to statistics: what is computed, and how a long run is kept safe."""
