"""The page of "can a person tell?": shows pictures, collects answers."""
