"""The paper's datasets: downloading and preparing them."""
