"""What trains a net: costs, optimisers, loops."""
